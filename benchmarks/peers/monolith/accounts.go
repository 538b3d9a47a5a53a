package main

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/bcrypt"
	"gorm.io/gorm"
)

const refreshLifetime = 30 * 24 * time.Hour

type user struct {
	ID        string  `json:"id" gorm:"primaryKey;type:uuid;default:gen_random_uuid()"`
	Username  string  `json:"username"`
	Email     string  `json:"email"`
	Password  string  `json:"-"`
	Videos    []video `json:"videos" gorm:"foreignKey:UserID"`
	CreatedAt time.Time
	UpdatedAt time.Time
}

func (user) TableName() string { return "users" }

type refreshToken struct {
	ID        uint `gorm:"primaryKey"`
	UserID    string
	Token     string
	ExpiresAt time.Time
	CreatedAt time.Time
}

func (refreshToken) TableName() string { return "refresh_tokens" }

type accounts struct {
	db     *gorm.DB
	tokens tokens
}

type credentials struct {
	Username string `json:"username" binding:"required,min=3,max=100"`
	Password string `json:"password" binding:"required,min=8"`
	Email    string `json:"email"`
}

func (a accounts) register(c *gin.Context) {
	var sent credentials
	if err := c.ShouldBindJSON(&sent); err != nil {
		fail(c, http.StatusBadRequest, err.Error())
		return
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(sent.Password), bcrypt.DefaultCost)
	if err != nil {
		fail(c, http.StatusBadRequest, err.Error())
		return
	}
	made := user{Username: sent.Username, Email: sent.Email, Password: string(hash)}
	if err := a.db.WithContext(c).Omit("Videos").Create(&made).Error; err != nil {
		fail(c, http.StatusConflict, "That name is taken.")
		return
	}
	a.answer(c, http.StatusCreated, made)
}

func (a accounts) login(c *gin.Context) {
	var sent credentials
	if err := c.ShouldBindJSON(&sent); err != nil {
		fail(c, http.StatusBadRequest, err.Error())
		return
	}
	var found user
	err := a.db.WithContext(c).Where("username = ?", sent.Username).First(&found).Error
	if err == nil {
		err = bcrypt.CompareHashAndPassword([]byte(found.Password), []byte(sent.Password))
	}
	if err != nil {
		fail(c, http.StatusUnauthorized, "Wrong username or password.")
		return
	}
	a.answer(c, http.StatusOK, found)
}

func (a accounts) refresh(c *gin.Context) {
	var sent struct {
		RefreshToken string `json:"refresh_token" binding:"required"`
	}
	if err := c.ShouldBindJSON(&sent); err != nil {
		fail(c, http.StatusBadRequest, err.Error())
		return
	}
	id, err := a.tokens.userOf(sent.RefreshToken)
	var stored refreshToken
	if err == nil {
		err = a.db.WithContext(c).
			Where("token = ? AND user_id = ? AND expires_at > ?", sent.RefreshToken, id, time.Now()).
			First(&stored).Error
	}
	var found user
	if err == nil {
		err = a.db.WithContext(c).First(&found, "id = ?", id).Error
	}
	if err == nil {
		err = a.db.WithContext(c).Delete(&stored).Error
	}
	if err != nil {
		fail(c, http.StatusUnauthorized, "Log in again.")
		return
	}
	a.answer(c, http.StatusOK, found)
}

func (a accounts) me(c *gin.Context) {
	var found user
	if err := a.db.WithContext(c).First(&found, "id = ?", c.GetString(userKey)).Error; err != nil {
		fail(c, http.StatusNotFound, "There is no such user.")
		return
	}
	succeed(c, http.StatusOK, found)
}

// answer signs a pair of tokens and stores the one for refreshing.
func (a accounts) answer(c *gin.Context, status int, found user) {
	access, refresh, err := a.tokens.pair(found)
	if err == nil {
		err = a.db.WithContext(c).Create(&refreshToken{
			UserID: found.ID, Token: refresh, ExpiresAt: time.Now().Add(refreshLifetime),
		}).Error
	}
	if err != nil {
		fail(c, http.StatusInternalServerError, "Something went wrong.")
		return
	}
	succeed(c, status, gin.H{
		"access_token": access, "refresh_token": refresh, "user": found.Username,
	})
}
